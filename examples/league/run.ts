import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { isFirst, takeRank } from "../common/ranks";
import { prepareMeasuring } from "../text-to-image/prepare-measuring";
import type { World } from "../text-to-image/world";
import { runEmojiLeague } from "./emoji-run";
import { parseLeagueOptions, usage } from "./options";
import { runPlaneLeague } from "./plane-run";
import { writeEmojiReport } from "./write-emoji-report";
import { writeLeagueReport } from "./write-report";

/** The league as a command line asks for it; with `--emoji` of that world's teacher, where `prepare` may measure with less than is usual. */
export async function runLeague(world: World, args: readonly string[], prepare = prepareMeasuring): Promise<void> {
  const options = parseLeagueOptions(args);
  if (!options) return console.log(usage());
  const { emoji, out, ranks } = options;
  takeRank(ranks);
  if (options.report) return emoji ? writeEmojiReport(world, out) : writeLeagueReport(out);
  makeFolder(out);
  const release = isFirst(ranks) ? lockFolder("out", out) : () => {};
  try {
    await (emoji ? runEmojiLeague(world, options, prepare) : runPlaneLeague(options));
  } finally {
    release();
  }
}
