/**
 * A C++ function's qualified name from its mangled one, without parameters: `_ZN4node11StreamBase5WriteEPc` → `node::StreamBase::Write`.
 * Anything but nested names (templates, operators) stays as it is. Itanium C++ ABI, §5.1.2.
 */
export function plainFunction(name: string): string {
  let rest = /^_ZNK?(?=\d)(.*)$/.exec(name)?.[1];
  const parts: string[] = [];
  while (rest !== undefined && rest[0] !== 'E') {
    const digits = /^\d+/.exec(rest)?.[0];
    const end = (digits?.length ?? 0) + Number(digits);
    if (digits === undefined || end > rest.length) return name;
    parts.push(rest.slice(digits.length, end));
    rest = rest.slice(end);
  }
  return rest ? parts.join('::') : name;
}
