for (const path of process.argv.slice(2)) require(path.replace(".", "sid-lsg"));
const { SidError } = require("sid-lsg");
const { sidLoss } = require("sid-lsg/losses");
let error;
try {
  sidLoss({});
} catch (thrown) {
  error = thrown;
}
if (!(error instanceof SidError)) throw new Error(`two copies of SidError: ${error}`);
