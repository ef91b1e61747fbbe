#!/bin/sh
# What no program makes the front end say: mistakes in IR text (E0702, E0703), stages that are each right but cannot
# be compiled together (E0820), and operators that have no backward (E0821). Each through the command line, with the whole text of its message.
# usage: commands.sh PLAIT
plait=$1
failures=0
count=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# says NAME ARGUMENTS..: `plait ARGUMENTS -` exits with 1 and says, about the text up to `---`, what follows it
says() {
    name=$1
    shift
    count=$((count + 1))
    cat >"$scratch/case"
    sed '/^---$/,$d' "$scratch/case" >"$scratch/input"
    sed '1,/^---$/d' "$scratch/case" >"$scratch/expected"
    "$plait" "$@" - <"$scratch/input" >"$scratch/output" 2>"$scratch/errors"
    code=$?
    [ $code = 1 ] && [ ! -s "$scratch/output" ] && diff -u "$scratch/expected" "$scratch/errors" && return
    echo "FAIL $name: exit code $code"
    failures=$((failures + 1))
}

says 'an operation that is not there' opt <<'END'
operator @f {
  axis t : time
  %1 = param {name = "x", number = nan} : f32[t]
  %2 = softmax %1 : f32[t]
}
---
error[E0702]: unknown name in IR text
  --> <stdin>:4:8
      |
    4 |   %2 = softmax %1 : f32[t]
      |        ^
      = found: softmax
      = expected: an operation of this level
      = help: docs/ir.md describes the text; `plait emit` and `plait opt` write it
END
says 'an operation of the other level' opt --passes=fuse <<'END'
operator @f {
  axis t : time
  %1 = tensor {name = "x"} : f32[t] global
}
---
error[E0702]: unknown name in IR text
  --> <stdin>:3:8
      |
    3 |   %1 = tensor {name = "x"} : f32[t] global
      |        ^
      = found: tensor
      = expected: an operation of this level
      = help: docs/ir.md describes the text; `plait emit` and `plait opt` write it
END
says 'an axis that is not there' opt <<'END'
operator @f {
  axis t : time
  %1 = iota {axes = [s]} : i32[t]
}
---
error[E0702]: unknown name in IR text
  --> <stdin>:3:22
      |
    3 |   %1 = iota {axes = [s]} : i32[t]
      |                      ^
      = found: s
      = expected: an axis of this function
      = help: docs/ir.md describes the text; `plait emit` and `plait opt` write it
END
says 'a scalar type that is not there' opt <<'END'
operator @f {
  axis t : time
  %1 = param {name = "x", number = nan} : f8[t]
}
---
error[E0702]: unknown name in IR text
  --> <stdin>:3:43
      |
    3 |   %1 = param {name = "x", number = nan} : f8[t]
      |                                           ^
      = found: f8
      = expected: a scalar type such as f32
      = help: docs/ir.md describes the text; `plait emit` and `plait opt` write it
END
says 'a value that is not there yet' opt <<'END'
operator @f {
  axis t : time
  %1 = neg %2 : f32[t]
}
---
error[E0702]: unknown name in IR text
  --> <stdin>:3:12
      |
    3 |   %1 = neg %2 : f32[t]
      |            ^
      = found: %2
      = expected: a value defined earlier in the text
      = help: docs/ir.md describes the text; `plait emit` and `plait opt` write it
END
says 'operands of two types' opt --verify-each <<'END'
operator @f {
  axis t : time
  %1 = param {name = "x", number = nan} : f32[t]
  %2 = iota {axes = [t]} : i32[t]
  %3 = add %1, %2 : f32[t]
  output "y" : f32[t] = %3
}
---
error[E0703]: IR breaks a rule of its level
  --> <stdin>:5:8
      |
    5 |   %3 = add %1, %2 : f32[t]
      |        ^^^^^^^^^^^
      = found: `add` in `f`
      = expected: operands of one scalar type
      = help: docs/ir.md gives the rules of each operation
END
says 'an output of another type' opt --passes=stage <<'END'
operator @f {
  axis t : time
  %1 = param {name = "x", number = nan} : f32[t]
  output "y" : bf16[t] = %1
}
---
error[E0703]: IR breaks a rule of its level
  --> <stdin>:3:8
      |
    3 |   %1 = param {name = "x", number = nan} : f32[t]
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = found: `param` in `f`
      = expected: outputs of the declared scalar type and axes
      = help: docs/ir.md gives the rules of each operation
END
for target in cpu sm_90a; do
    says "a carry of 12 axes in memory, for $target" emit --tile --target $target <<'END'
axis b : batch
axis t : time
axis c : time
axis h0 : head = 2
axis h1 : head = 2
axis h2 : head = 2
axis h3 : head = 2
axis h4 : head = 2
axis h5 : head = 2
axis h6 : head = 2
axis h7 : head = 2
axis h8 : head = 2
axis h9 : head = 2
operator f(x : f32[b, t], z : f32[t, c, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9]) -> (y : f32[b, t, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9]) {
    scan t carry S : f32[c, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9] = 0 {
        S = 0.5 * S + z
        y = sum[c](S) * x
    }
}
---
error[E0820]: this arrangement of stages cannot be compiled
  --> <stdin>:15:5
      |
   15 |     scan t carry S : f32[c, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9] = 0 {
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = found: a scan that keeps values over more than 11 axes in memory, counting `b`, which others of its values have
      = expected: an arrangement that one pass over the sequence can run
      = help: give them an axis less, or make two operators of it
END
done
says 'a backward of whole numbers' emit --stage --grad <<'END'
axis t : time
operator f(x : i32[t]) -> (y : i32[t]) { y = x + 1 }
---
error[E0821]: this operator has no backward
  --> <stdin>:2:10
      |
    2 | operator f(x : i32[t]) -> (y : i32[t]) { y = x + 1 }
      |          ^
      = found: an operator without a real input and a real output
      = expected: an input and an output in f16, bf16, f32 or f64
      = help: leave out the backward of this operator
END
says 'a backward after other passes' opt --passes=online,differentiate <<'END'
operator @f {
  axis t : time
  %1 = param {name = "x", number = nan} : f32[t]
  %2 = reduce.sum %1 {axes = [t]} : f32
  output "y" : f32 = %2
}
---
error[E0821]: this operator has no backward
  --> <stdin>:4:8
      |
    4 |   %2 = reduce.sum %1 {axes = [t]} : f32
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
      = found: `fold`
      = expected: the operator as it was written
      = help: run `differentiate` before the other passes
END
says 'a backward that needs an axis more than there can be' opt --passes=differentiate <<'END'
operator @f {
  axis t : time
  axis w = 2
  axis a = 2
  axis b = 2
  axis c = 2
  axis d = 2
  axis e = 2
  axis f = 2
  axis g = 2
  axis h = 2
  axis i = 2
  axis j = 2
  axis k = 2
  %1 = param {name = "x", number = nan} : f32[t, a, b, c, d, e, f, g, h, i, j, k]
  %2 = param {name = "filter", number = nan} : f32[w]
  %3 = conv %1, %2 {axes = [t, w]} : f32[t, a, b, c, d, e, f, g, h, i, j, k]
  output "y" : f32[t, a, b, c, d, e, f, g, h, i, j, k] = %3
}
---
error[E0821]: this operator has no backward
  --> <stdin>:17:8
      |
   17 |   %3 = conv %1, %2 {axes = [t, w]} : f32[t, a, b, c, d, e, f, g, h, i, j, k]
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = found: a value whose gradient needs an axis more than values can have
      = expected: values of at most 11 axes here
      = help: give the values one axis less
END
echo "$count checks, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
