// How a network is called on the page and in the charts.

export const networkName = (delayMs) => (delayMs === undefined ? 'no network' : `${delayMs} ms each way`)
