/**
 * What every npm script starts: `node scripts/bootstrap.mjs <start|api|worker|simulator|test>`. This file must parse on
 * any old Node (12 and up), because all it does there is to say that it is old; the rest is in `bootstrap/`.
 */
var needed = [20, 19];
var running = process.versions.node.split('.').map(Number);

if (running[0] < needed[0] || (running[0] === needed[0] && running[1] < needed[1])) {
  process.stderr.write(
    'Earshot needs Node ≥ ' +
      needed.join('.') +
      ', this is ' +
      process.version +
      ': install a newer one from https://nodejs.org or with your version manager (`nvm install`)\n',
  );
  process.exit(1);
} else {
  void import('./bootstrap/run.mjs').then(function (bootstrap) {
    return bootstrap.run(process.argv[2]);
  });
}
