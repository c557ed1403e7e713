using System.ComponentModel;
using System.Reflection;
using Gateway.Api.Dsns;
using Npgsql;

namespace Gateway.Api.Tests.Dsns;

public sealed class DsnTests
{
    private static NpgsqlConnectionStringBuilder Parse(string dsn, params (string Name, string Value)[] environment) =>
        Dsn.Parse(dsn, name => environment.FirstOrDefault(pair => pair.Name == name).Value);

    // Returns all settings, so that none is set unnoticed; except the two that every DSN gets, which have their own
    // test.
    private static string[] Settings(NpgsqlConnectionStringBuilder builder) =>
        [.. builder.Keys
            .Select(key => $"{key}={builder[key]}")
            .Except(["Client Encoding=UTF8", "TCP Keepalive=True"])
            .Order(StringComparer.Ordinal)];

    private static void AssertReads(string expected, string dsn, params (string Name, string Value)[] environment) =>
        Assert.Equal(Settings(new NpgsqlConnectionStringBuilder(expected)), Settings(Parse(dsn, environment)));

    [Theory]
    // user, host and database
    [InlineData("postgresql://u:p@h:5433/d", "Host=h;Port=5433;Username=u;Password=p;Database=d")]
    [InlineData("postgres://u:p@h/d", "Host=h;Port=5432;Username=u;Password=p;Database=d")]
    [InlineData("POSTGRES://u@h/d", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@", "Host=localhost;Port=5432;Username=u;Database=u")]
    [InlineData("postgresql://u@/d", "Host=localhost;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@h", "Host=h;Port=5432;Username=u;Database=u")]
    [InlineData("postgresql://u@h:/d", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u:@h/d", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@h?dbname=d", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@h?database=d", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://h/d?user=u&password=p", "Host=h;Port=5432;Username=u;Password=p;Database=d")]
    [InlineData("postgresql://u@h/d\r\n", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("  postgresql://u@h/d", "Host=h;Port=5432;Username=u;Database=d")]
    // percent-encoding, and characters that need none
    [InlineData("postgresql://u%40x:p%3Aq%2F%25@h/d%20e", "Host=h;Port=5432;Username=u@x;Password=p:q/%;Database=d e")]
    [InlineData("postgresql://u:p+q%2B@h/d", "Host=h;Port=5432;Username=u;Password=p+q+;Database=d")]
    [InlineData("postgresql://u:p:q?r=s#t@h/d", "Host=h;Port=5432;Username=u;Password=p:q?r=s#t;Database=d")]
    [InlineData("postgresql://%C3%A9:%e2%82%ac@h/%F0%9F%90%98", "Host=h;Port=5432;Username=é;Password=€;Database=🐘")]
    [InlineData("postgresql://é:€@h/d", "Host=h;Port=5432;Username=é;Password=€;Database=d")]
    [InlineData("postgresql://u@h/d/e", "Host=h;Port=5432;Username=u;Database=d/e")]
    [InlineData("postgresql://u@h/d e", "Host=h;Port=5432;Username=u;Database=d e")]
    [InlineData("postgresql://u@h/d?us%65r=v", "Host=h;Port=5432;Username=v;Database=d")]
    [InlineData("postgresql://u@h%2Dx:54%33/d", "Host=h-x;Port=543;Username=u;Database=d")]
    // hosts
    [InlineData("postgresql://u@[::1]/d", "Host=::1;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@[fe80::1%25eth0]:5433/d", "Host=fe80::1%eth0;Port=5433;Username=u;Database=d")]
    [InlineData("postgresql://u@h1:1,h2:2,[::1]:3/d", "Host='h1:1,h2:2,[::1]:3';Username=u;Database=d")]
    [InlineData("postgresql://u@h1,h2:5433/d", "Host='h1:5432,h2:5433';Username=u;Database=d")]
    [InlineData("postgresql://u@h1:1,/d", "Host='h1:1,localhost:5432';Username=u;Database=d")]
    [InlineData("postgresql://u@h1%2Ch2/d?port=7", "Host='h1:7,h2:7';Username=u;Database=d")]
    [InlineData("postgresql://u@%2Fvar%2Frun%2Fpostgresql/d", "Host=/var/run/postgresql;Port=5432;Username=u;Database=d;SSL Mode=Disable;SSL Negotiation=Postgres;GSS Encryption Mode=Disable")]
    [InlineData("postgresql://u@h:1/d?host=/tmp&port=5433", "Host=/tmp;Port=5433;Username=u;Database=d;SSL Mode=Disable;SSL Negotiation=Postgres;GSS Encryption Mode=Disable")]
    [InlineData("postgresql://u@h:1/d?host=x&port=2", "Host=x;Port=2;Username=u;Database=d")]
    [InlineData("postgresql://u@h:1/d?host=&port=", "Host=localhost;Port=5432;Username=u;Database=d")]
    // parameters
    [InlineData(
        "postgresql://u@h/d?sslmode=require&connect_timeout=10&application_name=x&options=-c%20geqo%3Doff",
        "Host=h;Port=5432;Username=u;Database=d;SSL Mode=Require;Timeout=10;Application Name=x;Options=-c geqo=off")]
    [InlineData("postgresql://u@h/d?ssl=true", "Host=h;Port=5432;Username=u;Database=d;SSL Mode=Require")]
    [InlineData("postgresql://u@h/d?", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData("postgresql://u@h/d?application_name=a&application_name=b&", "Host=h;Port=5432;Username=u;Database=d;Application Name=b")]
    [InlineData("postgresql://u@h/d?application_name=a?b+c", "Host=h;Port=5432;Username=u;Database=d;Application Name=a?b+c")]
    public void Uri_ReadsAsLibpqReadsIt(string dsn, string expected) => AssertReads(expected, dsn);

    [Theory]
    // all keywords of psycopg2.connect, and `database`, its own name for dbname
    [InlineData(
        "host=h port=5433 dbname=d user=u password=p sslmode=require connect_timeout=3",
        "Host=h;Port=5433;Database=d;Username=u;Password=p;SSL Mode=Require;Timeout=3")]
    [InlineData("host=h database=d user=u", "Host=h;Port=5432;Database=d;Username=u")]
    // spaces, quotes, backslashes
    [InlineData("host = h\tuser= u\n dbname =d ", "Host=h;Port=5432;Username=u;Database=d")]
    [InlineData(@"user=u password='a b\'c\\d'", @"Host=localhost;Port=5432;Username=u;Database=u;Password=""a b'c\d""")]
    [InlineData(@"user=u password=a\ b\'c\\d", @"Host=localhost;Port=5432;Username=u;Database=u;Password=""a b'c\d""")]
    [InlineData(@"user=u password=a\", "Host=localhost;Port=5432;Username=u;Database=u;Password=a")]
    [InlineData("user=u password=a'b'c", "Host=localhost;Port=5432;Username=u;Database=u;Password=a'b'c")]
    [InlineData("user=u password==x", "Host=localhost;Port=5432;Username=u;Database=u;Password='=x'")]
    [InlineData("user='u'dbname='d'", "Host=localhost;Port=5432;Username=u;Database=d")]
    [InlineData("host='' password='' user=u", "Host=localhost;Port=5432;Username=u;Database=u")]
    [InlineData("user=u password= dbname=x", "Host=localhost;Port=5432;Username=u;Database=u;Password='dbname=x'")]
    [InlineData("user=u user=v", "Host=localhost;Port=5432;Username=v;Database=v")]
    [InlineData("user=é password='€ 🐘'", "Host=localhost;Port=5432;Username=é;Database=é;Password='€ 🐘'")]
    // hosts
    [InlineData("host=::1 user=u", "Host=::1;Port=5432;Username=u;Database=u")]
    [InlineData("host=[::1] user=u", "Host=::1;Port=5432;Username=u;Database=u")]
    [InlineData("host=a,::1 port=1,2 user=u", "Host='a:1,[::1]:2';Username=u;Database=u")]
    [InlineData("host=a,b port=7 user=u", "Host='a:7,b:7';Username=u;Database=u")]
    [InlineData("host=a,,b port=1,,3 user=u", "Host='a:1,localhost:5432,b:3';Username=u;Database=u")]
    [InlineData("hostaddr=127.0.0.1 user=u", "Host=127.0.0.1;Port=5432;Username=u;Database=u")]
    [InlineData("host=db.example hostaddr=10.0.0.1 user=u", "Host=10.0.0.1;Port=5432;Username=u;Database=u")]
    [InlineData("host=/tmp,/run port=1,2 user=u", "Host='/tmp:1,/run:2';Username=u;Database=u;SSL Mode=Disable;SSL Negotiation=Postgres;GSS Encryption Mode=Disable")]
    [InlineData("host=@abstract user=u", "Host=@abstract;Port=5432;Username=u;Database=u;SSL Mode=Disable;SSL Negotiation=Postgres;GSS Encryption Mode=Disable")]
    [InlineData(
        "host=/tmp user=u sslmode=verify-full keepalives_idle=5",
        "Host=/tmp;Port=5432;Username=u;Database=u;SSL Mode=Disable;SSL Negotiation=Postgres;GSS Encryption Mode=Disable")]
    // semicolons in values do not make it Npgsql's form
    [InlineData("host=x user=u password='a;b'", "Host=x;Port=5432;Username=u;Database=u;Password='a;b'")]
    [InlineData("host=x user=u password='a;port=1'", "Host=x;Port=5432;Username=u;Database=u;Password='a;port=1'")]
    [InlineData("password='a;port=1;user id=2' host=x user=u", "Host=x;Port=5432;Username=u;Database=u;Password='a;port=1;user id=2'")]
    [InlineData(@"password='a\';host=b' user=u", @"Host=localhost;Port=5432;Username=u;Database=u;Password=""a';host=b""")]
    [InlineData("password=a;b host=x user=u", "Host=x;Port=5432;Username=u;Database=u;Password='a;b'")]
    [InlineData("host=x user=u dbname=y;", "Host=x;Port=5432;Username=u;Database='y;'")]
    public void Keywords_ReadAsLibpqReadsThem(string dsn, string expected) => AssertReads(expected, dsn);

    [Theory]
    [InlineData("Host=h;Username=u;Password=\"a;b\";Database=d", "Host=h;Port=5432;Username=u;Password='a;b';Database=d")]
    [InlineData("Server=h;User Id=u;PWD=p;DB=d", "Host=h;Port=5432;Username=u;Password=p;Database=d")]
    [InlineData("host=h;username=u;application name=my app", "Host=h;Port=5432;Username=u;Database=u;Application Name=my app")]
    [InlineData("Host=h; Port=5433; Username=u; Database=d;", "Host=h;Port=5433;Username=u;Database=d")]
    [InlineData("host=h; port=5433; database=d; username=u", "Host=h;Port=5433;Username=u;Database=d")]
    [InlineData("Username=a b;Host=h", "Host=h;Port=5432;Username=a b;Database=a b")]
    [InlineData("Password=\"a host=b\";Host=h;Username=u", "Host=h;Port=5432;Username=u;Database=u;Password='a host=b'")]
    [InlineData("Password='a''b;c';Host=h;Username=u", "Host=h;Port=5432;Username=u;Database=u;Password=\"a'b;c\"")]
    [InlineData("Password='a\\';Host=h;Username=u", "Host=h;Port=5432;Username=u;Database=u;Password='a\\'")]
    [InlineData(@"database="". user='"";Username=""a\\' user="";password=""w""", @"Host=localhost;Port=5432;Username=""a\\' user="";Database="". user='"";Password=w")]
    [InlineData(@"password='x\';Username='host=[v';database='a'", @"Host=localhost;Port=5432;Username=host=[v;Database=a;Password=x\")]
    [InlineData("Username=u;Password=", "Host=localhost;Port=5432;Username=u;Database=u")]
    [InlineData("Username=u", "Host=localhost;Port=5432;Username=u;Database=u")]
    [InlineData("Host=h:5433;Username=u", "Host=h;Port=5433;Username=u;Database=u")]
    [InlineData("Host=[::1]:5433;Username=u", "Host=::1;Port=5433;Username=u;Database=u")]
    [InlineData("Host=::1;Username=u", "Host=::1;Port=5432;Username=u;Database=u")]
    [InlineData("Host=a:1, b,[::1]:3,::2;Port=9;Username=u", "Host='a:1,b:9,[::1]:3,[::2]:9';Port=9;Username=u;Database=u")]
    [InlineData("Host=/tmp;Username=u", "Host=/tmp;Port=5432;Username=u;Database=u")]
    [InlineData("Host=h;Username=u;SSL Mode=VerifyFull;Encoding=UTF8", "Host=h;Port=5432;Username=u;Database=u;SSL Mode=VerifyFull;Encoding=UTF8")]
    [InlineData("Host=a,b;Username=u;Target Session Attributes=primary", "Host='a:5432,b:5432';Username=u;Database=u;Target Session Attributes=primary")]
    public void NpgsqlForm_ReadsAsNpgsqlReadsIt(string dsn, string expected) => AssertReads(expected, dsn);

    [Theory]
    [InlineData("sslmode=disable", "SSL Mode=Disable")]
    [InlineData("sslmode=allow", "SSL Mode=Allow")]
    [InlineData("sslmode=prefer", "SSL Mode=Prefer")]
    [InlineData("sslmode=require", "SSL Mode=Require")]
    [InlineData("sslmode=verify-ca sslrootcert=/r", "SSL Mode=VerifyCA;Root Certificate=/r")]
    [InlineData("sslmode=verify-full", "SSL Mode=VerifyFull")]
    [InlineData("sslmode=verify-full sslrootcert=/r", "SSL Mode=VerifyFull;Root Certificate=/r")]
    [InlineData("sslmode=require sslrootcert=/r", "SSL Mode=VerifyCA;Root Certificate=/r")]
    [InlineData("sslmode=prefer sslrootcert=/r", "SSL Mode=Prefer;Root Certificate=/r")]
    [InlineData("sslrootcert=system", "SSL Mode=VerifyFull")]
    [InlineData("sslrootcert=system sslmode=verify-full", "SSL Mode=VerifyFull")]
    [InlineData("sslmode=require sslnegotiation=direct", "SSL Mode=Require;SSL Negotiation=Direct")]
    [InlineData("sslcert=/c sslkey=/k sslpassword=s", "SSL Certificate=/c;SSL Key=/k;SSL Password=s")]
    [InlineData("channel_binding=require", "Channel Binding=Require")]
    [InlineData("gssencmode=disable", "GSS Encryption Mode=Disable")]
    [InlineData("krbsrvname=pg", "Kerberos Service Name=pg")]
    [InlineData("require_auth=scram-sha-256,md5", "Require Auth='ScramSHA256,MD5'")]
    [InlineData("require_auth=!password,!none,!gss,!sspi", "Require Auth='!Password,!None,!GSS,!SSPI'")]
    [InlineData("connect_timeout=0", "Timeout=0")]
    [InlineData("connect_timeout=-1", "Timeout=0")]
    [InlineData("connect_timeout=1024", "Timeout=1024")]
    [InlineData("connect_timeout=''", "")]
    [InlineData("fallback_application_name=f", "Application Name=f")]
    [InlineData("fallback_application_name=f application_name=a", "Application Name=a")]
    [InlineData("options='-c statement_timeout=5s'", "Options=-c statement_timeout=5s")]
    [InlineData("passfile=/p", "Passfile=/p")]
    [InlineData("target_session_attrs=any", "Target Session Attributes=any")]
    [InlineData("load_balance_hosts=random", "Load Balance Hosts=True")]
    [InlineData("load_balance_hosts=disable", "Load Balance Hosts=False")]
    [InlineData("keepalives_idle=60 keepalives_interval=5", "TCP Keepalive Time=60;TCP Keepalive Interval=5")]
    [InlineData("keepalives_idle=0 keepalives_interval=0", "")]
    [InlineData("keepalives=0 keepalives_idle=60", "")]
    [InlineData("client_encoding=UTF8 keepalives_count=0 tcp_user_timeout=0 sslcompression=0 sslsni=1 sslcertmode=allow", "")]
    [InlineData("replication=off gssdelegation=0 min_protocol_version=3.0 max_protocol_version=latest sslcrl=''", "")]
    public void LibpqKeyword_BecomesNpgsqls(string dsn, string expected)
    {
        AssertReads($"Host=h;Port=5432;Username=u;Database=u;{expected}", $"{dsn} host=h user=u");
        AssertReads(
            $"Host=h;Port=5432;Username=u;Database=u;{expected}",
            "postgresql://u@h?" + string.Join('&', DsnKeywords.Read(dsn).Settings.Select(s => $"{s.Key}={Uri.EscapeDataString(s.Value)}")));
    }

    [Theory]
    [InlineData("read-write")]
    [InlineData("read-only")]
    [InlineData("primary")]
    [InlineData("standby")]
    [InlineData("prefer-standby")]
    public void TargetSessionAttributes_GoWithSeveralHosts(string attributes) => AssertReads(
        $"Host='a:5432,b:5432';Username=u;Database=u;Target Session Attributes={attributes}",
        $"host=a,b user=u target_session_attrs={attributes}");

    [Fact]
    public void Environment_GivesTheUserAndTheRootCertificate()
    {
        AssertReads("Host=h;Port=5432;Username=e;Database=e", "postgresql://h", ("PGUSER", "e"));
        AssertReads("Host=h;Port=5432;Username=e;Database=e", "host=h", ("PGUSER", "e"));
        AssertReads("Host=h;Port=5432;Username=e;Database=e", "Host=h;Port=5432", ("PGUSER", "e"));
        AssertReads("Host=h;Port=5432;Username=u;Database=u", "postgresql://u@h", ("PGUSER", "e"));
        AssertReads(
            "Host=h;Port=5432;Username=u;Database=u;SSL Mode=VerifyCA;Root Certificate=/r",
            "host=h user=u sslmode=require",
            ("PGSSLROOTCERT", "/r"));
    }

    [Theory]
    [InlineData("postgresql://u@h")]
    [InlineData("host=h user=u client_encoding=auto")]
    [InlineData("Host=h;Username=u")]
    [InlineData("Host=h;Username=u;Client Encoding=utf-8")]
    public void ClientEncoding_IsAlwaysUtf8SoThatNoVariableDecides(string dsn) =>
        Assert.Contains("Client Encoding=UTF8", Parse(dsn).ConnectionString, StringComparison.Ordinal);

    [Fact]
    public void TcpKeepalive_IsOnForLibpqsFormsUnlessSwitchedOff()
    {
        Assert.True(Parse("postgresql://u@h").TcpKeepAlive);
        Assert.True(Parse("host=h user=u keepalives=1").TcpKeepAlive);
        Assert.False(Parse("host=h user=u keepalives=0").TcpKeepAlive);
        Assert.False(Parse("host=/tmp user=u").TcpKeepAlive);
        Assert.False(Parse("Host=h;Username=u").TcpKeepAlive);
    }

    [Fact]
    public void EveryLibpqKeyword_IsHonouredOrRefusedByName()
    {
        var baseline = Settings(Parse("host=h user=u dbname=d"));
        foreach (var key in DsnLibpq.Names)
        {
            var faults = Record.Exception(() => Assert.NotEqual(baseline, SettingsWith(key))) switch
            {
                null => [$"{key}: honoured"],
                DsnException refused => refused.Faults,
                var ignored => throw ignored,
            };
            Assert.StartsWith(key + ": ", Assert.Single(faults), StringComparison.Ordinal);
        }

        // keepalives changes the settings that Settings leaves out.
        static string[] SettingsWith(string key) => key switch
        {
            "host" or "hostaddr" => Settings(Parse($"user=u dbname=d {key}=x")),
            "port" or "connect_timeout" or "keepalives_idle" or "keepalives_interval" => Settings(Parse($"host=h user=u dbname=d keepalives_idle=9 {key}=7")),
            "keepalives" => Parse("host=h user=u dbname=d keepalives=0").TcpKeepAlive ? [] : ["off"],
            "sslmode" or "channel_binding" or "gssencmode" => Settings(Parse($"host=h user=u dbname=d {key}=require")),
            "sslnegotiation" => Settings(Parse($"host=h user=u dbname=d {key}=postgres")),
            "require_auth" => Settings(Parse($"host=h user=u dbname=d {key}=md5")),
            "target_session_attrs" => Settings(Parse($"host=h user=u dbname=d {key}=any")),
            "load_balance_hosts" => Settings(Parse($"host=h user=u dbname=d {key}=random")),
            _ => Settings(Parse($"host=h user=u dbname=d {key}=other")),
        };
    }

    // The keywords that PQconndefaults lists in libpq 15, and those added in 16 to 18.
    [Fact]
    public void EveryKeywordOfLibpq_IsKnown() => Assert.All(
        """
        service user password passfile channel_binding connect_timeout dbname host hostaddr port client_encoding options
        application_name fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count
        tcp_user_timeout sslmode sslcompression sslcert sslkey sslpassword sslrootcert sslcrl sslcrldir sslsni requirepeer
        ssl_min_protocol_version ssl_max_protocol_version gssencmode krbsrvname gsslib replication target_session_attrs
        require_auth sslcertmode load_balance_hosts gssdelegation sslnegotiation servicefile min_protocol_version
        max_protocol_version scram_client_key scram_server_key oauth_issuer oauth_client_id oauth_client_secret oauth_scope
        sslkeylogfile
        """.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        key => Assert.True(DsnLibpq.Knows(key), key));

    [Fact]
    public void EveryKeyOfNpgsql_IsKnownAndHonouredOrRefusedByName()
    {
        var properties = typeof(NpgsqlConnectionStringBuilder).GetProperties()
            .Select(property => (property, name: property.GetCustomAttribute<DisplayNameAttribute>()?.DisplayName))
            .Where(pair => pair.name is not null && new NpgsqlConnectionStringBuilder().ContainsKey(pair.name))
            .ToList();
        Assert.True(properties.Count > 50);
        foreach (var (property, name) in properties)
        {
            Assert.True(DsnNpgsql.Knows(property.Name), property.Name);
            var sample = Sample(property);
            try
            {
                var builder = Parse($"Username=u;Host=a,b;TCP Keepalive Time=3;{name}={sample}");
                Assert.Equal(name == "Host" ? "h:5432" : sample, $"{builder[name!]}{(name == "Host" ? $":{builder.Port}" : "")}");
            }
            catch (DsnException refused)
            {
                Assert.StartsWith(name + ": can't be set in a DSN: ", Assert.Single(refused.Faults), StringComparison.Ordinal);
            }
        }
        Assert.All(DsnNpgsql.Spellings, spelling => Assert.True(new NpgsqlConnectionStringBuilder().ContainsKey(spelling), spelling));

        static string Sample(PropertyInfo property) => property.Name switch
        {
            "Host" => "h",
            "RequireAuth" => "MD5",
            "TargetSessionAttributes" => "primary",
            "Encoding" or "ClientEncoding" => "UTF8",
            _ when property.PropertyType == typeof(bool) => "True",
            _ when property.PropertyType == typeof(int) => "7",
            _ when property.PropertyType.IsEnum => Enum.GetNames(property.PropertyType)[0],
            _ => "text",
        };
    }

    [Theory]
    [InlineData("postgresql://u:p@h/d", "h:5432/d as u")]
    [InlineData("postgresql://u:p@[::1]:1,h/d", "[::1]:1,h:5432/d as u")]
    [InlineData("host=::1 user=u password=p", "[::1]:5432/u as u")]
    [InlineData("host=/tmp user=u password=p", "/tmp:5432/u as u")]
    [InlineData("Host=h:7;Username=u;Password=p;SSL Password=q", "h:7/u as u")]
    public void Describe_TellsWhereWithoutSecrets(string dsn, string expected) => Assert.Equal(expected, Dsn.Describe(Parse(dsn)));

    [Theory]
    [InlineData("postgresql://u@h1:1,[::1]:2/d?target_session_attrs=standby")]
    [InlineData("postgresql://u@[::1]/d?target_session_attrs=any")]
    [InlineData("host=/tmp,/run user=u")]
    [InlineData("host=h user=u sslmode=require sslnegotiation=direct")]
    [InlineData("Host=a:1,b;Username=u;Password='\"x\";y'")]
    public async Task WhatIsRead_BuildsADataSource(string dsn)
    {
        await using var source = NpgsqlDataSource.Create(Parse(dsn));
        Assert.NotEmpty(source.ConnectionString);
    }
}
