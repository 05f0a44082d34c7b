import { writeDueReports } from '../shared/reports/due-reports.js'
import type { Job } from './job.js'

/** Daily, weekly and monthly reports as files in REPORTS_DIR. */
export const reports: Job<'reports'> = {
  name: 'reports',
  handle: services => writeDueReports(services)
}
