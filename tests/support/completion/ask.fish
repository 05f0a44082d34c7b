# Reads command lines; prints what the script $argv[1] offers for each, and "=" after it.
source $argv[1]
while read -l --delimiter \n line
    complete -C "$line" | string replace -r '\t.*' ''
    echo =
end
