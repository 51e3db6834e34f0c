/**
 * Who writes and takes the changed rows of a database. With its name in it, so that two names for one database do not
 * take each other's rows, or remove each other's triggers.
 */
export function changeOwner(project: string, database: string | null): string {
  return database === null ? project : `${project}/${database}`
}
