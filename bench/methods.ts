import { csd, dmd2, longGuidance, lsg, type Method, sds, sid, sidLsg } from "sid-lsg";

/** Methods to measure: one fake-score update per generator update, unguided unless the name says otherwise. */
export const methods = {
  sid: () => sid(),
  dmd2: () => dmd2({ fakeUpdates: 1, guidanceScale: 1 }),
  sds: () => sds({ guidanceScale: 1 }),
  csd: () => csd(),
  sidLsg: () => sidLsg({ guidance: lsg(1.5) }),
  sidLong: () => sidLsg({ guidance: longGuidance(1.5) }),
  dmd2Guided: () => dmd2({ fakeUpdates: 1, guidanceScale: 1.5 }),
  sdsGuided: () => sds({ guidanceScale: 1.5 }),
} satisfies Readonly<Record<string, () => Method>>;

export type BenchMethod = keyof typeof methods;
