//! The workload files: 60 % enter, 30 % cancel, 8 % cross at once, 2 % move.

use std::fs;

use matching_core::workload::Dice;

use super::{MARK, Step};

/// Lowest and highest price of every workload.
pub const PRICES: (i64, i64) = (1, 4_000);
const MIDDLE: i64 = 2_000;
const MEASURED: usize = 1_000_000;

struct Shape {
    name: &'static str,
    resting: usize,
    distance: u64,
    sweep: u64,
    cross: u64,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "mixed_small", resting: 2_000, distance: 40, sweep: 5, cross: 8 },
    Shape { name: "mixed_deep", resting: 110_000, distance: 400, sweep: 5, cross: 8 },
    Shape { name: "sweep", resting: 2_000, distance: 60, sweep: 400, cross: 20 },
];

/// An order that may still be open, as the file's writer knows it.
struct Open {
    order: u64,
    side: u8,
    price: i64,
}

fn away(dice: &mut Dice, side: u8, distance: u64) -> i64 {
    let away = 1 + dice.below(distance).cast_signed();
    if side == 1 { MIDDLE - away } else { MIDDLE + away }
}

fn steps(shape: &Shape) -> (Vec<Step>, usize) {
    let mut dice = Dice::new(20_260_101);
    let mut open: Vec<Open> = Vec::new();
    let mut entered = 0;
    let mut steps = Vec::new();
    // The book is filled, and everything has been going on for a while, before the clock runs.
    let warm = (shape.resting * 4).next_multiple_of(MARK).max(200_000);
    while steps.len() < warm + MEASURED {
        let roll = dice.below(100);
        let cancel = if open.len() >= shape.resting { 62 } else { 0 };
        let side = 1 + dice.below(2) as u8;
        if roll < cancel {
            let at = dice.below(open.len() as u64) as usize;
            let order = open.swap_remove(at).order;
            steps.push(Step { kind: 3, side: 0, lots: 0, price: 0, order });
        } else if roll < cancel + 2 && !open.is_empty() {
            let at = dice.below(open.len() as u64) as usize;
            let found = &mut open[at];
            let price = away(&mut dice, found.side, shape.distance);
            if price != found.price {
                found.price = price;
                steps.push(Step { kind: 4, side: found.side, lots: 0, price, order: found.order });
            }
        } else if roll >= 100 - shape.cross {
            let price = MIDDLE + if side == 1 { 1 } else { -1 } * shape.distance.cast_signed();
            let lots = 1 + dice.below(shape.sweep) as u32;
            steps.push(Step { kind: 2, side, lots, price, order: entered });
            entered += 1;
        } else {
            let price = away(&mut dice, side, shape.distance);
            let lots = 1 + dice.below(9) as u32;
            open.push(Open { order: entered, side, price });
            steps.push(Step { kind: 1, side, lots, price, order: entered });
            entered += 1;
        }
    }
    (steps, warm)
}

/// Writes all workloads.
pub fn generate(directory: &str) {
    for shape in &SHAPES {
        let (steps, warm) = steps(shape);
        let mut bytes = (warm as u64).to_le_bytes().to_vec();
        for step in &steps {
            bytes.extend([step.kind, step.side, 0, 0]);
            bytes.extend(step.lots.to_le_bytes());
            bytes.extend(step.price.to_le_bytes());
            bytes.extend(step.order.to_le_bytes());
        }
        fs::write(format!("{directory}/{}.workload", shape.name), bytes).expect("writes");
    }
}

/// Reads a workload; returns its commands and how many of them come before the clock runs.
pub fn read(path: &str) -> (Vec<Step>, usize) {
    let bytes = fs::read(path).expect("reads");
    let (warm, records) = bytes.split_first_chunk().expect("a workload");
    let step = |record: &[u8]| Step {
        kind: record[0],
        side: record[1],
        lots: u32::from_le_bytes(record[4..8].try_into().expect("4 bytes")),
        price: i64::from_le_bytes(record[8..16].try_into().expect("8 bytes")),
        order: u64::from_le_bytes(record[16..24].try_into().expect("8 bytes")),
    };
    let warm = usize::try_from(u64::from_le_bytes(*warm)).expect("small");
    (records.chunks_exact(24).map(step).collect(), warm)
}
