//! Reference for exercise 7b: matching completions.

use crate::completions::{Lie, NO_REQUEST, Responses, TOO_MANY, Table};

pub fn begin<T>(table: &mut Table<T>, item: T) -> Result<u64, T> {
    let Some(number) = table.free.pop() else { return Err(item) };
    let slot = &mut table.slots[number as usize];
    slot.turn = slot.turn.wrapping_add(1);
    slot.item = Some(item);
    Ok(u64::from(slot.turn) << 32 | u64::from(number))
}

pub fn finish<T>(table: &mut Table<T>, id: u64) -> Option<T> {
    let (turn, number) = ((id >> 32) as u32, id as u32);
    let slot = table.slots.get_mut(number as usize)?;
    if slot.turn != turn {
        return None;
    }
    let item = slot.item.take()?;
    table.free.push(number);
    Some(item)
}

pub fn collect<T>(ring: &mut impl Responses, table: &mut Table<T>, done: &mut dyn FnMut(T, i16)) -> Result<(), Lie> {
    loop {
        let produced = ring.produced();
        if produced.wrapping_sub(ring.consumed()) as usize > table.len() {
            return Err(TOO_MANY);
        }
        while ring.consumed() != produced {
            let response = ring.take();
            let item = finish(table, response.id).ok_or(NO_REQUEST)?;
            done(item, response.status);
        }
        ring.set_event(ring.consumed().wrapping_add(1));
        if ring.produced() == ring.consumed() {
            return Ok(());
        }
    }
}
