/* Text of the intermediate representation, and the check of its rules. docs/ir.md describes the text. */
#ifndef PLAIT_IR_TEXT_H
#define PLAIT_IR_TEXT_H

#include "ir/ir.h"

/* Text of a module; plait_module_parse reads it back to the same text, byte for byte. */
void plait_module_print(const PlaitModule *module, PlaitText *text);
void plait_function_print(const PlaitFunction *function, PlaitText *text);
void plait_type_print(const PlaitFunction *function, PlaitType type, PlaitText *text);
/* Reads a module from source `source` of the diagnostics' sources; NULL after reporting what is wrong (E07..). */
PlaitModule *plait_module_parse(PlaitArena *arena, PlaitNames *names, PlaitDiagnostics *diagnostics, uint32_t source);
/* Checks every rule of the level; reports E0703 and returns false when one is broken. */
bool plait_module_verify(const PlaitModule *module);
bool plait_function_verify(const PlaitFunction *function);

#endif
