// track: assets/*.txt
const std = @import("std");

fn text() []const u8 {
    // track: ../shared/table one.csv
    return "// track: nothing";
}
// track:   assets/[ab]/**
