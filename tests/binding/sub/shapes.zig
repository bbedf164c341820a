//! Shapes.

pub const Square = struct {
    side: f64,

    pub fn area(self: Square) f64 {
        return self.side * self.side;
    }
};

pub fn unit() Square {
    return .{ .side = 1 };
}
