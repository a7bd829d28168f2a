/** What stands on the page before its script fills it. */
export const markup = `
  <p id="alert" role="alert"></p>

  <form id="settings" novalidate>
    <label class="field">
      Iterations
      <input id="iterations" type="number" min="1" step="1" inputmode="numeric" />
    </label>
    <label class="field">
      Seed
      <input id="seed" type="number" min="0" step="1" inputmode="numeric" />
    </label>
    <button id="train" type="submit" disabled>Train</button>
    <button id="pause" type="button" disabled>Pause and save</button>
    <button id="download" type="button" disabled>Download the generator</button>
    <button id="delete" type="button" disabled>Delete the run</button>
  </form>

  <p id="status" role="status">Starting …</p>
  <p id="warning" role="status"></p>

  <div class="progress">
    <progress id="bar" max="1" value="0" aria-label="Iterations done"></progress>
    <p id="progress">&nbsp;</p>
  </div>

  <dl class="figures">
    <div><dt>Distance to real pictures</dt><dd id="distance">–</dd></div>
    <div><dt>All words right</dt><dd id="right">–</dd></div>
    <div><dt>KL(generator ‖ teacher)</dt><dd id="divergence">–</dd></div>
    <div><dt>Fake score’s loss</dt><dd id="loss">–</dd></div>
  </dl>

  <div id="pictures" class="pictures"></div>
  <p class="note"><span aria-hidden="true">✦</span> never seen in training: no caption named this object in this colour</p>

  <div id="charts" class="charts"></div>

  <p class="note">Backend: <span id="backend">not chosen yet</span>. <span id="memory"></span></p>
`;
