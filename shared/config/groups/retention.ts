import { type Group, optional, setting } from '../setting.js'
import { choice, integer } from '../value-types.js'

export const retention = {
  title: 'Retention',
  settings: {
    dataDays: setting('DATA_RETENTION_DAYS', integer(31, 3_650), {
      default: '90',
      doc: 'when personal data and payloads are forgotten (`RETENTION_CRON`)'
    }),
    logDays: setting('LOG_RETENTION_DAYS', integer(1, 36_500), {
      default: '365',
      doc: 'when chains of the audit trail are forgotten (`RETENTION_CRON`)'
    })
  },
  checked: [
    optional('PCI_DSS_LEVEL', choice(['1', '2', '3', '4']), {
      doc: 'with a level, `LOG_RETENTION_DAYS` of less than 365 is refused'
    })
  ]
} satisfies Group
