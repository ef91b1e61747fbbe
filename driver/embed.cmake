# Writes the text file INPUT as the C constant NAME into OUTPUT: cmake -DINPUT=.. -DOUTPUT=.. -DNAME=.. -P embed.cmake
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made by CMake from ${INPUT}. */\n#include \"driver/embedded.h\"\n\nconst char ${NAME}[] = {${bytes}0};\n")
