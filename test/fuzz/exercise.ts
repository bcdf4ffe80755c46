import { UspanError } from '../../src/contract/errors.ts';
import { openBinary } from '../../src/discovery/binary.ts';
import { openElfImage } from '../../src/discovery/elf/image.ts';
import { elfNotes } from '../../src/discovery/elf/notes.ts';
import { noteInstruction } from '../../src/probes/sites/notes.ts';

const functionNames = ['main.main', 'runtime.newproc', 'runtime.asmcgocall', 'main', 'helper', 'nothing.here', ''];
const fieldPaths: [string, ...string[]][] = [
  ['runtime.g', 'goid'],
  ['runtime.g', 'm', 'curg', 'goid'],
  ['runtime.moduledata', 'types'],
  ['main.cart', 'owner', 'owner', 'labels'],
  ['context.cancelCtx', 'Context'],
  ['nothing.here', 'x'],
];

/**
 * Asks everything that discovery asks of a file, and checks what must be true of any answer. Returns the error code with which the file was
 * refused, or `read`. Throws for any other error, and for an answer outside the file.
 */
export function exercise(bytes: Uint8Array): string {
  try {
    for (const note of elfNotes(openElfImage(bytes, 'fuzz'))) inside(note.desc.byteOffset + note.desc.length, bytes);
    const binary = openBinary({ bytes, path: 'fuzz', dev: 1n, ino: 1n, mtimeNs: 1n });
    for (const name of functionNames) {
      const symbol = binary.symbols.find(name);
      if (!symbol) continue;
      inside(symbol.fileOffset, bytes);
      if (binary.code(symbol, 4096).length > 4096) throw new Error('more code than asked for');
      binary.symbols.at(symbol.address);
    }
    for (const note of binary.notes) {
      inside(note.fileOffset, bytes);
      inside(note.semaphore?.fileOffset ?? 0, bytes);
      if (note.arguments.length > 12) throw new Error('more arguments than a note can have');
      noteInstruction(binary, note);
    }
    for (const address of [0, 0x40_1000, 2 ** 52]) binary.symbols.at(address);
    for (const name of ['stdout', 'runtime.buildVersion', '']) binary.variable(name);
    for (const start of ['go1.', '/lib', '']) {
      if ((binary.constantText(start)?.length ?? 0) > 256) throw new Error('more text than asked for');
    }
    if (binary.go) {
      const { types } = binary.go;
      for (const [type, ...path] of fieldPaths) {
        const field = types.field(type, ...path);
        if (field && !(field.steps.length > 0 && field.steps.every((step) => step.offset >= 0))) {
          throw new Error(`impossible field ${JSON.stringify(field)}`);
        }
      }
      types.descriptor('*main.cart');
      types.headerMap();
    }
    binary.release();
    return 'read';
  } catch (error) {
    if (error instanceof UspanError) return error.code;
    throw error;
  }
}

function inside(offset: number, bytes: Uint8Array): void {
  if (!(offset >= 0 && offset <= bytes.length)) throw new Error(`offset ${offset} is outside of ${bytes.length} bytes`);
}
