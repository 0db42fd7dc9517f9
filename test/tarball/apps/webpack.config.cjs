module.exports = {
  mode: 'production',
  target: 'node20',
  entry: process.env.ENTRY,
  output: { path: process.env.OUT, filename: 'bundle.cjs' },
}
