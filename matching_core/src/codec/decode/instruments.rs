//! What is said of an instrument.

use super::super::{
    DEFINE_INSTRUMENT, DEFINE_INSTRUMENT_2, DEFINE_INSTRUMENT_3, RecordError, SET_PHASE,
    SET_PRICE_LIMITS, UPDATE_INSTRUMENT, is_plain,
};
use super::Reader;
use crate::command::Command;
use crate::instrument::{InstrumentSpec, SYMBOL_BYTES_MAX};
use crate::types::{
    Allocation, AssetNumber, InstrumentKind, InstrumentNumber, Phase, PriceTicks, QuantityLots,
};

pub(super) fn decode_listing(reader: &mut Reader<'_>, code: u8) -> Result<Command, RecordError> {
    Ok(match code {
        UPDATE_INSTRUMENT => {
            let code = reader.u8()?;
            Command::UpdateInstrument(Box::new(decode_any_instrument(reader, code)?))
        }
        SET_PRICE_LIMITS => Command::SetPriceLimits {
            instrument: InstrumentNumber(reader.u32()?),
            low: PriceTicks(reader.i64()?),
            high: PriceTicks(reader.i64()?),
        },
        SET_PHASE => {
            let phase = reader.numbered(Phase::from_number)?;
            Command::SetPhase { instrument: InstrumentNumber(reader.u32()?), phase }
        }
        code => Command::DefineInstrument(Box::new(decode_any_instrument(reader, code)?)),
    })
}

fn decode_instrument_2(reader: &mut Reader<'_>) -> Result<InstrumentSpec, RecordError> {
    let plain = decode_instrument(reader)?;
    let spec = InstrumentSpec {
        band_ticks: reader.i64()?,
        volatility_auction_ns: reader.u64()?,
        allocation: reader.numbered(Allocation::from_number)?,
        fifo_percent: reader.u8()?,
        share_min_lots: reader.u8()?,
        ..plain
    };
    if is_plain(&spec) { Err(RecordError) } else { Ok(spec) }
}

fn decode_instrument_3(reader: &mut Reader<'_>) -> Result<InstrumentSpec, RecordError> {
    let code = Some(reader.u8()?).filter(|code| *code != DEFINE_INSTRUMENT_3);
    let spec = decode_any_instrument(reader, code.ok_or(RecordError)?)?;
    let limited = InstrumentSpec { position_limit_lots: reader.i64()?, ..spec };
    if limited.position_limit_lots == 0 { Err(RecordError) } else { Ok(limited) }
}

fn decode_any_instrument(reader: &mut Reader<'_>, code: u8) -> Result<InstrumentSpec, RecordError> {
    match code {
        DEFINE_INSTRUMENT => decode_instrument(reader),
        DEFINE_INSTRUMENT_2 => decode_instrument_2(reader),
        DEFINE_INSTRUMENT_3 => decode_instrument_3(reader),
        _ => Err(RecordError),
    }
}

fn decode_instrument(reader: &mut Reader<'_>) -> Result<InstrumentSpec, RecordError> {
    let kind = reader.numbered(InstrumentKind::from_number)?;
    let phase = reader.numbered(Phase::from_number)?;
    let number = InstrumentNumber(reader.u32()?);
    let base_asset = AssetNumber(reader.u32()?);
    let quote_asset = AssetNumber(reader.u32()?);
    let deposit_bps = reader.u32()?;
    let min_lots = QuantityLots(reader.u32()?);
    let max_lots = QuantityLots(reader.u32()?);
    Ok(InstrumentSpec {
        number,
        kind,
        base_asset,
        quote_asset,
        min_lots,
        max_lots,
        deposit_bps,
        phase,
        tick_size_micro: reader.i64()?,
        tick_value_minor: reader.i64()?,
        lot_size_minor: reader.i64()?,
        price_min: PriceTicks(reader.i64()?),
        price_max: PriceTicks(reader.i64()?),
        limit_low: PriceTicks(reader.i64()?),
        limit_high: PriceTicks(reader.i64()?),
        protection_ticks: reader.i64()?,
        max_notional_minor: reader.i64()?,
        maker_fee_centi_bps: reader.i32()?,
        taker_fee_centi_bps: reader.i32()?,
        symbol: reader.text(SYMBOL_BYTES_MAX)?,
        band_ticks: 0,
        volatility_auction_ns: 0,
        allocation: Allocation::Fifo,
        fifo_percent: 0,
        share_min_lots: 0,
        position_limit_lots: 0,
    })
}
