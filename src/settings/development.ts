/** Switches for developers of uspan, from the environment. Settings for users are in table.ts. */
const { USPAN_DEBUG, USPAN_NATIVE_BUILD } = process.env;

/** `USPAN_DEBUG`: an error that ends uspan also shows its stack. */
export const showStacks = Boolean(USPAN_DEBUG);

/** `USPAN_NATIVE_BUILD=asan`: the addon with AddressSanitizer. */
export const nativeBuild = USPAN_NATIVE_BUILD === 'asan' ? 'Debug' : 'Release';
