/** The part of elfy 1.0.0 that container.ts uses. elfy reads `addralign` and `entsize` from the wrong offset, so they are left out. */
declare module 'elfy' {
  interface Program {
    /** `load`, `dynamic`, `note`, `interp`, …; undefined for a type that elfy does not know. */
    readonly type: string | undefined;
    readonly offset: number;
    readonly vaddr: number;
    readonly filesz: number;
    readonly memsz: number;
    readonly flags: { readonly r?: true; readonly w?: true; readonly x?: true };
    readonly align: number;
  }
  interface Section {
    readonly name: string;
    readonly type: string | number;
    readonly addr: number;
    readonly off: number;
    readonly size: number;
    readonly link: number;
  }
  const elfy: {
    parse(file: Buffer): { readonly body: { readonly programs: Program[]; readonly sections: Section[] } };
  };
  export default elfy;
}
