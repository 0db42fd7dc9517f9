import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: process.env.ENTRY,
  output: { file: `${process.env.OUT}/bundle.mjs`, format: 'es', inlineDynamicImports: true },
  // They prefer the names with `node:`, of which not every package makes use.
  plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs(), json()],
}
