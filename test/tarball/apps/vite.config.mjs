// A bundle for a server, with its packages inside, as frameworks on Vite make it.

export default {
  build: { ssr: process.env.ENTRY, outDir: process.env.OUT },
  ssr: { noExternal: true },
}
