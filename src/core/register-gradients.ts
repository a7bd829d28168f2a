/**
 * tfjs-core alone cannot differentiate: its gradients register by a side-effect import that plain
 * Node ESM cannot load by path. The build inlines that import here, so that whoever installs this
 * package, tfjs-core and one backend can train. Registries live on globalThis: one copy serves all.
 * The checks of tensors import this file, so every part that computes with tensors brings it along.
 */
import "@tensorflow/tfjs-core/dist/register_all_gradients";
