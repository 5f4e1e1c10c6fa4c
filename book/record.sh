#!/usr/bin/env bash
# Records real runs for the book and the README: consoles and figures in src/runs/*.txt, src/images/console.svg and
# src/images/bench*.svg. Run it after a change to what the kernel prints or takes: book/record.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# The console from the banner on, as `cargo harness run` shows it. A guest that crashes on purpose ends in status 3.
record() {
    local name=$1 stage=$2; shift 2
    { NO_COLOR=1 cargo --quiet harness run "$stage" --solution "$@" </dev/null 2>&1 || [ $? -eq 3 ]; } |
        tr -d '\r' | sed -n '/^Stardust/,$p' >"book/src/runs/$name.txt"
    [ -s "book/src/runs/$name.txt" ] || { echo "$name: the guest said nothing" >&2; exit 1; }
}

# A text as a picture of a terminal: the first argument is the command, the text comes on standard input.
picture() {
    awk -v command="$1" '
        function escape(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
            gsub(/ /, "\\&#160;", text); return text } # else spaces would be joined
        function show(text, colour) {
            lines++
            if (text == "") return
            body = body sprintf("<text x=\"%d\" y=\"%d\" fill=\"%s\" textLength=\"%.1f\">%s</text>\n",
                16, 54 + 19 * (lines - 1), colour, 7.8 * length(text), escape(text))
        }
        BEGIN { columns = 112; show("$ " command, "#9ece6a") }
        {
            colour = /^(fault|panic|\[the guest)/ ? "#ff7b72" : /^  #/ ? "#e0af68" : /^Stardust/ ? "#ffffff" : "#c8d0e0"
            for (rest = $0; length(rest) > columns; rest = substr(rest, columns + 1)) show(substr(rest, 1, columns), colour)
            show(rest, colour)
        }
        END {
            width = 32 + 7.8 * columns; height = 64 + 19 * lines
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", width, height, command
            print "<!-- Made by book/record.sh from a real run. -->"
            printf "<rect width=\"%d\" height=\"%d\" rx=\"9\" fill=\"#16181f\"/>\n", width, height
            print "<g fill=\"#5b6270\"><circle cx=\"20\" cy=\"18\" r=\"5\"/><circle cx=\"38\" cy=\"18\" r=\"5\"/><circle cx=\"56\" cy=\"18\" r=\"5\"/></g>"
            printf "<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"13\">\n%s</g>\n</svg>\n", body
        }'
}

record hello stage1
record page-fault stage1 --cmdline app=fault
record overflow stage1 --cmdline 'app=fault fault=stack'
record panic stage1 --cmdline app=panic
record handler-fault stage3 --cmdline 'app=exception exception=interrupt'
record log stage3 --cmdline app=time
picture "cargo harness run stage1 --solution --cmdline app=fault" <book/src/runs/page-fault.txt >book/src/images/console.svg

cargo --quiet harness bench threads --counted --plot book/src/images/bench.svg >book/src/runs/bench.txt
cargo --quiet harness bench threads --counted --alone --memory 4096 --runs 2 >book/src/runs/bench-4-gib.txt
# Times: on a machine that has nothing else to do.
cargo --quiet harness bench --runs 5 --plot book/src/images/bench-devices.svg >book/src/runs/bench-devices.txt
