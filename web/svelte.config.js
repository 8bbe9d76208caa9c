export default {
  compilerOptions: {
    runes: true,
    // Hashes of the file's name and not of its path on this machine: the build is the same everywhere.
    cssHash: ({ hash, css }) => `v-${hash(css)}`,
  },
};
