# Reads command lines; prints what the script $1 offers for each, and "=" after it. What zsh's completion system gives a
# script stands here: it works at a terminal only.
compdef() { :; }
_files() { :; }
_describe() {
  local each word
  for each in $found; do
    word=${each%%:*}
    [[ $word == ${words[CURRENT]}* ]] && print -r -- $word
  done
}
compadd() {
  shift
  local each
  for each in "$@"; do
    [[ $each == ${words[CURRENT]}* ]] && print -r -- $each
  done
}
source "$1"
while IFS= read -r line; do
  words=("${(@s: :)line}")
  CURRENT=$#words
  _ops
  print =
done
