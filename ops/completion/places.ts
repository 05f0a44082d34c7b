import type { Command, Option } from 'commander'

export interface Word {
  word: string
  what: string
}

/** What can be typed after "ops", then `path`. */
export interface Place {
  path: string
  commands: Word[]
  options: (Word & { takesValue: boolean; values: readonly string[] })[]
  /** Of the first argument, where they are known. */
  values: readonly string[]
}

/** Every place of the command tree, the outermost first. */
export function placesIn(command: Command, path = ''): Place[] {
  const help = command.createHelp()
  const own: Place = {
    path,
    commands: help.visibleCommands(command).map(each => ({ word: each.name(), what: each.description() })),
    options: help.visibleOptions(command).map(optionOf),
    values: command.registeredArguments[0]?.argChoices ?? []
  }
  return [own, ...command.commands.flatMap(each => placesIn(each, `${path} ${each.name()}`.trim()))]
}

function optionOf(option: Option): Place['options'][number] {
  return {
    word: option.long ?? option.flags,
    what: option.description,
    takesValue: option.required || option.optional,
    values: (option.argChoices ?? []).map(value => value.toLowerCase())
  }
}
