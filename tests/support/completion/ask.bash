# Reads command lines; prints what the script $1 offers for each, and "=" after it.
source "$1"
while IFS= read -r line; do
  IFS=' ' read -ra COMP_WORDS <<<"$line"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _ops
  printf '%s\n' "${COMPREPLY[@]}" =
done
