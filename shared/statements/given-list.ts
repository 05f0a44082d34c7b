/**
 * A list of texts among the parameters of a statement. Out of a subquery, so that the planner does not see how long it is: else it takes the
 * statement for cheaper than one for any list, of which it supposes ten, and plans it anew each time, which takes as long as a short
 * one itself. https://www.postgresql.org/docs/18/sql-prepare.html#SQL-PREPARE-NOTES
 */
export function givenList(parameter: number): string {
  return `ARRAY(SELECT unnest($${parameter}::text[]))`
}
