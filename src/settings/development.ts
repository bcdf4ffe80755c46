/** Switches for those who work on uspan, from the environment. No settings of users: what they may set is in table.ts. */
const { USPAN_DEBUG, USPAN_NATIVE_BUILD } = process.env;

/** `USPAN_DEBUG`: an error that ends uspan also shows where it was thrown. */
export const showStacks = Boolean(USPAN_DEBUG);

/** `USPAN_NATIVE_BUILD=asan`: the addon with AddressSanitizer. */
export const nativeBuild = USPAN_NATIVE_BUILD === 'asan' ? 'Debug' : 'Release';
