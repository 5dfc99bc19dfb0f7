// Ends what global-setup.js started, and nothing that it found.
export default async function tearDown() {
  await Promise.all((globalThis.slipwayTestClosers ?? []).map((close) => close()));
}
