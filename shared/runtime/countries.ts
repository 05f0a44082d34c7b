import { type CountryResponse, open } from 'maxmind'

/** The country (ISO 3166-1 alpha-2) of an address, as a local database has it; undefined when it has none. */
export type CountryOf = (ipAddress: string) => string | undefined

/**
 * Reads a MaxMind database (MMDB: GeoLite2-Country, DB-IP and the like) into memory; nothing is asked of anybody. A
 * replaced file needs a restart. Throws when the file cannot be read.
 */
export async function openCountries(file: string): Promise<CountryOf> {
  const reader = await open<CountryResponse>(file)
  return ipAddress => reader.get(ipAddress)?.country?.iso_code
}
