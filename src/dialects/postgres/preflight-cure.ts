import { quoteIdent, quoteLiteral } from '../../sql/index.ts';

/** A setting as `pg_settings` shows it. */
export interface Setting {
  readonly name: string;
  /** Where its value comes from: whoever sets it there must set it there again. */
  readonly source: string;
  readonly context: string;
}

export interface Place {
  readonly role: string;
  readonly database: string;
}

/** What gives a setting another value for the connections to come. */
export function settingCure(setting: Setting, value: string, { role, database }: Place): string {
  // A list of names in one pair of quotes would be one name.
  const isList = setting.name === 'search_path' && value !== '';
  const change = `SET ${setting.name} = ${isList ? value : quoteLiteral(value).trim()}`;
  switch (setting.source) {
    case 'database':
      return `ALTER DATABASE ${quoteIdent(database)} ${change};`;
    case 'user':
      return `ALTER ROLE ${quoteIdent(role)} ${change};`;
    case 'database user':
      return `ALTER ROLE ${quoteIdent(role)} IN DATABASE ${quoteIdent(database)} ${change};`;
    case 'command line':
      return `start the server with -c ${setting.name}=${value}`;
    default:
      return setting.context === 'postmaster'
        ? `ALTER SYSTEM ${change};\n-- and restart the server`
        : `ALTER SYSTEM ${change};\nSELECT pg_reload_conf();`;
  }
}
