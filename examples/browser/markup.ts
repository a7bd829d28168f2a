/** What stands on the page before its script fills it. */
export const markup = `
  <p id="alert" role="alert"></p>

  <form id="form" novalidate>
    <fieldset id="controls" class="order" disabled>
      <legend class="hidden">What to draw</legend>
      <label class="field wide">
        Caption
        <input id="caption" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" enterkeyhint="go" aria-describedby="note" />
      </label>
      <label class="field">
        Seed
        <input id="seed" type="number" min="0" step="1" inputmode="numeric" />
      </label>
      <button type="submit">Draw</button>
      <button id="next" type="button">Next seed</button>
    </fieldset>
  </form>

  <div class="said">
    <p id="status" role="status">Starting …</p>
    <p id="note"></p>
  </div>

  <div class="artists">
    <figure>
      <figcaption>
        <strong>Generator</strong>
        <span class="steps">1 step</span>
        <span class="time" id="generator-time">&nbsp;</span>
        <progress id="generator-progress" max="1" value="0" aria-label="The generator's progress"></progress>
      </figcaption>
      <div class="pictures" id="generator" role="img" aria-label="No pictures yet"></div>
    </figure>
    <figure>
      <figcaption>
        <strong>Teacher</strong>
        <span class="steps">50 steps</span>
        <span class="time" id="teacher-time">&nbsp;</span>
        <progress id="teacher-progress" max="50" value="0" aria-label="The teacher's progress"></progress>
      </figcaption>
      <div class="pictures" id="teacher" role="img" aria-label="No pictures yet"></div>
    </figure>
  </div>

  <fieldset id="chips" disabled>
    <legend class="hidden">Change the caption</legend>
    <fieldset>
      <legend>Object</legend>
      <div id="object"></div>
    </fieldset>
    <fieldset>
      <legend>Colour</legend>
      <div id="colour"></div>
    </fieldset>
    <fieldset>
      <legend>Size</legend>
      <div id="size"></div>
    </fieldset>
    <p class="key"><span aria-hidden="true">✦</span> never seen in training: no caption named this object in this colour</p>
  </fieldset>

  <details>
    <summary>Words that it knows</summary>
    <p id="words">They come with the networks.</p>
  </details>
  <details>
    <summary>Weights of your own</summary>
    <p>
      <code>npm start</code> distils a generator; its weights are in
      <code>runs/quickstart/generator/unet/</code>. The file stays on this machine.
    </p>
    <label class="button">
      Open a .safetensors file
      <input id="file" type="file" accept=".safetensors" disabled />
    </label>
    <p id="weights" role="status">In use: the weights that came with this page.</p>
  </details>

  <footer>
    <p>
      The address of this page holds caption and seed: its link draws the same pictures again. Nothing leaves your
      machine.
    </p>
    <p>Backend: <span id="backend">not chosen yet</span></p>
    <nav aria-label="Backends">
      <a href="?" target="_self">auto</a> <a href="?backend=webgpu" target="_self">webgpu</a> <a href="?backend=webgl" target="_self">webgl</a>
      <a href="?backend=wasm" target="_self">wasm</a> <a href="?backend=cpu" target="_self">cpu</a>
    </nav>
    <p>The emoji that the networks learned from are Noto Emoji, © Google, Apache License 2.0.</p>
  </footer>
`;
