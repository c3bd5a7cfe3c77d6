// Package verdict holds what is known of a statement, whatever the dialect that it is written in: whether its answer may be
// kept, which relations the answer depends on, and which the statement writes.
//
//	grammar and catalog of one dialect ──▶ verdict ◀── querycache, which keeps answers and knows no dialect
//
// What a dialect says of a text holds for as long as the catalog is the one that it looked at; whoever keeps it longer asks the
// dialect. In any doubt it says the worse: that the answer may not be kept, that a statement may write everything.
package verdict
