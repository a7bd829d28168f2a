// Preloaded into Node and its children: clocks tell the time that the process has spent on the processor.
performance.now = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
