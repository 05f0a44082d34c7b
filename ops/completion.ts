import { Argument, type Command } from 'commander'
import { plainCommand } from './command.js'
import { bashScript } from './completion/bash.js'
import { fishScript } from './completion/fish.js'
import { placesIn } from './completion/places.js'
import { zshScript } from './completion/zsh.js'
import { terminal } from './terminal.js'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** The words of the program's commands and options, as a script for a shell. */
export function completion(program: () => Command): Command {
  return plainCommand('completion', 'Print what makes a shell complete the words of ops.', {
    examples: [
      'completion bash >> ~/.bashrc',
      'completion zsh >> ~/.zshrc',
      'completion fish > ~/.config/fish/completions/ops.fish'
    ]
  })
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => {
      terminal().stdout.write(scripts[shell](placesIn(program())))
    })
}
