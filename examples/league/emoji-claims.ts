import type { PlaneMethodName } from "../plane/methods";
import { type Claim, claim } from "../study/claims";

/** What the papers claim of their method against an earlier one, as far as this league can stand for it. */
export const emojiClaims: readonly Claim<PlaneMethodName>[] = [
  nearer("sid", "diff-instruct", "Score identity comes nearer than matching by the difference of scores (SiD)"),
  nearer("sid-lsg", "sid", "Guidance in all networks comes nearer than none (SiD-LSG)"),
  claim("… and follows the text better", {
    ...{ of: "sid-lsg", against: "sid", figure: "allRight", wanted: "more" },
  }),
  nearer("sid-lsg", "swift-brush", "… and nearer than SwiftBrush (SiD-LSG: FID 8.15 against 16.67)"),
  nearer("sid-lsg", "dmd2", "… and without real pictures nearer than DMD2, which sees them (SiD-LSG's aim)"),
  nearer("sida", "sid", "A discriminator on real pictures brings SiD nearer (SiDA)"),
  nearer("sim", "diff-instruct", "A distance of scores comes nearer than their difference (SIM)"),
  nearer("vsd", "sds", "A fake score instead of the noise comes nearer (VSD)"),
  claim("The pull of the class is what SDS works by: alone it follows the text no worse (CSD)", {
    ...{ of: "csd", against: "sds", figure: "allRight", wanted: "more" },
  }),
  nearer("dmd", "diff-instruct", "Weighting by the distance to the teacher's guess comes nearer (DMD)"),
  nearer("dmd2", "dmd", "A discriminator on real pictures brings DMD nearer (DMD2)"),
  nearer("decoupled-dmd", "dmd", "Guidance at a time of its own brings DMD nearer (decoupled DMD)"),
  nearer("f-distill", "dmd2", "Another divergence than the reverse KL comes nearer than DMD2 (f-distill)"),
  nearer("tdm", "lcm", "Of four passes, matching the trajectory's law is nearer than consistency (TDM)"),
  nearer(
    "few-step-sid",
    "sid-lsg",
    "Four passes come nearer than one, as they do before anything is learnt (few-step SiD)",
  ),
];

function nearer(of: PlaneMethodName, against: PlaneMethodName, says: string): Claim<PlaneMethodName> {
  return claim(says, { of, against, figure: "frechetDistance", wanted: "less" });
}
