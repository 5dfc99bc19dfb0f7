export declare const COVERS: Readonly<Record<string, readonly string[]>>;
export declare function originOf(file: string): { date: string; commit: string };
export declare function olderThanTheirCode(): string[];
