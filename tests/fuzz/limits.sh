#!/bin/sh
# Programs that once took the compiler's stack, memory or patience: each is compiled, or refused with the message for it.
#
#     limits.sh PLAIT
plait=$1
folder=$(cd "$(dirname "$0")" && pwd)/regressions/source
failures=0

fail() {
    echo "FAIL $1: $2"
    failures=$((failures + 1))
}

refused() { # program, text of the message, the text that was asked for
    output=$("$plait" emit "$folder/$1.plait" "${3:---tile}" --target cpu 2>&1 >/dev/null)
    [ $? -eq 1 ] || fail "$1" 'exit code 1 was expected'
    echo "$output" | grep -qF -- "$2" || fail "$1" "no \`$2\` in: $output"
}

compiled() { # program
    for target in cpu sm_80; do
        "$plait" emit "$folder/$1.plait" --tile --target $target >/dev/null 2>&1 || fail "$1" "it was not compiled for $target"
    done
}

refused kernels_70 'E0820'
refused kernels_70 'more than 64 kernels'
refused axes_250 'E0509'
refused axes_250 'more than 200 axes in one operator'
refused long_chain 'a chain of more than 2000 operations'
refused long_chain_in_scan 'a chain of more than 2000 operations'
refused long_chain_of_shifts 'a chain of more than 2000 operations'
refused long_whole_axis 'a tile has at most 1048576'
refused large_state 'tiles of more than 4194304 bytes' --llvm
refused large_tile 'tiles of more than 4194304 bytes' --llvm
refused long_convolutions_250 'needs an axis more than an operator can have'
refused long_convolution_of_12_axes '12 axes already'
compiled positions_doubled
compiled doubled_before_shifts
compiled position_overflow
compiled chained_convolutions
compiled chained_taps
compiled many_taps
[ "$failures" -eq 0 ]
