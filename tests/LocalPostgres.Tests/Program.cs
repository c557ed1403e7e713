using Gateway.LocalPostgres;
using Xunit.Runner.InProc.SystemConsole;

// "own FOLDER": a process that owns a server until a test kills it. Anything else: the test runner.
if (args is not ["own", var folder])
    return await ConsoleRunner.Run(args);

var options = new LocalPostgresOptions { Folder = folder, KeepData = true };
await using var server = await LocalPostgresServer.StartAsync(options);
Console.WriteLine(server.Dsn);
await Task.Delay(Timeout.Infinite);
return 0;
