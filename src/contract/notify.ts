/** Tells the user something once. `details` are for structured logs. */
export type Notify = (
  level: 'debug' | 'info' | 'warn',
  message: string,
  details: Readonly<Record<string, string | number>>,
) => void;
