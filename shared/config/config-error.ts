/** Lists everything that is wrong with the settings, one line a variable, without the values of secrets. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(
      `The settings are not complete:\n${problems.map(problem => `  ${problem}`).join('\n')}\nSee docs/settings.md.`
    )
    this.name = 'ConfigError'
  }
}
