#!/bin/sh
# What no program makes the front end say: mistakes in IR text (E0702, E0703), and stages that are each right but cannot
# be compiled together (E0820). Each through the command line, with the whole text of its message.
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
echo "$count checks, $failures failed"
[ "$failures" = 0 ] && [ "$count" -gt 0 ]
