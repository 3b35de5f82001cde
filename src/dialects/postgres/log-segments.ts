/** The commit log is a ring of this many segments; a whole segment is emptied at once (TRUNCATE), never row by row. */
export const logSegments = 8;
