import { probes } from './probes/probes.mjs';

const scarceBelow = 100;
const scarcityPercent = 10;
const vatPercent = 19;

/**
 * The price in cents of `quantity` pieces: less the discount, more when few are left, with VAT, each piece rounded for itself, as tax law wants.
 * Its own USDT probes mark start and end. Nothing else runs on this thread in between.
 */
export function price({ number, sku, unitCents, quantity, discountPercent, available }) {
  probes.priceStart(number, sku);
  const percent = 100 - discountPercent + (available < scarceBelow ? scarcityPercent : 0);
  let cents = 0;
  for (let piece = 0; piece < quantity; piece++) {
    cents += Math.round((unitCents * percent * (100 + vatPercent)) / 10_000);
  }
  probes.priceEnd(cents);
  return cents;
}
