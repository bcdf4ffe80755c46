import { parseCommandLine } from '../../src/cli/command-line.ts';
import type { ExportSettings } from '../../src/contract/export-settings.ts';
import { parseConfig } from '../../src/settings/config-file.ts';
import { exportSettingsOf } from '../../src/settings/export-settings.ts';
import { type Environment, settingsOf } from '../../src/settings/read-settings.ts';
import type { Settings } from '../../src/settings/table.ts';

/** What `uspan run` makes of these variables for its export. */
export function readExportSettings(environment: Environment): ExportSettings {
  return exportSettingsOf(settingsOf({ environment }));
}

/** What `uspan run FLAGS` reads, with these variables and the text of a settings file `u.yaml`. */
export function readRun(flags: string, environment: Environment = {}, yaml = ''): Settings {
  const request = parseCommandLine(['run', ...flags.split(' ').filter(Boolean)]);
  if (request.command !== 'run') throw new Error(`${flags} asks for ${request.command}`);
  return settingsOf({ flags: request.given, environment, file: parseConfig(yaml, 'u.yaml') });
}
