import { type Finding, must, should } from './finding.js'

/** Whether the key's mode is what NODE_ENV says; nothing when it is. */
export function modeFindings({ livemode, production }: { livemode: boolean; production: boolean }): Finding[] {
  if (livemode === production) return []
  if (livemode)
    return [must('a live key charges real cards: set NODE_ENV=production, which holds the settings to more')]
  return [should('a test key charges nobody, with NODE_ENV=production: set a live one before customers come')]
}
