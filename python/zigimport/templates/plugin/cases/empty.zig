fn nothing() void {
    // track:
}
