# What provision.ps1 and terminate.ps1 need to talk to Octopus. They read this
# file; it does nothing by itself. For Windows PowerShell 5.1 and PowerShell 7.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # progress bars make requests slow in 5.1
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

# A variable of the deployment, or the default.
function Get-Setting($Name, $Default = '') {
    $value = $OctopusParameters[$Name]
    if ([string]::IsNullOrEmpty($value)) { return $Default }
    return $value
}

# A variable of the deployment that has to have a value.
function Get-Required($Name) {
    $value = Get-Setting $Name
    if (-not $value) { throw "The variable $Name has no value. Give it one in the variables of the infrastructure project." }
    return $value
}

# Sends a request to the space and returns its Status (0 when there was no
# answer) and Text. Answers that say "later" (429, 5xx) are asked for again a few
# times, after as long as Octopus wants.
function Invoke-Octopus($Method, $Path, $Body) {
    $request = @{
        Method          = $Method
        Uri             = (Get-Required 'Octopus.Web.ServerUri').TrimEnd('/') + '/api/' + (Get-Required 'Octopus.Space.Id') + '/' + $Path
        Headers         = @{ 'X-Octopus-ApiKey' = (Get-Required 'HelloWorld.ApiKey'); 'Accept' = 'application/json' }
        UseBasicParsing = $true
        TimeoutSec      = 60
    }
    if ($Body) {
        $request.Body = [Text.Encoding]::UTF8.GetBytes($Body)
        $request.ContentType = 'application/json; charset=utf-8'
    }
    for ($try = 1; ; $try++) {
        $wait = [Math]::Pow(2, $try - 1)
        try {
            $answer = Invoke-WebRequest @request
            # The stream, because 5.1 takes text without a charset for Latin-1.
            return @{ Status = [int]$answer.StatusCode; Text = [Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray()) }
        }
        catch {
            $refusal = @{ Status = 0; Text = $_.Exception.Message }
            if ($_.Exception.Response) {
                $refusal.Status = [int]$_.Exception.Response.StatusCode
                $refusal.Text = [string]$_.ErrorDetails
                $wait = Get-Wait $_.Exception.Response $wait
            }
        }
        if ($try -eq 5 -or ($refusal.Status -ne 429 -and $refusal.Status -lt 500)) { return $refusal }
        Start-Sleep -Seconds $wait
    }
}

# How many seconds an answer asks to wait: its Retry-After, at most a minute.
# 5.1 has a collection of headers, 7 has typed ones.
function Get-Wait($Response, $Default) {
    $text = $null
    if ($Response.Headers.PSObject.Properties['RetryAfter']) { $text = [string]$Response.Headers.RetryAfter }
    else { $text = $Response.Headers['Retry-After'] }
    $seconds = 0
    if ([int]::TryParse($text, [ref]$seconds) -and $seconds -ge 0) { return [Math]::Min($seconds, 60) }
    return $Default
}

# Ends the script and says why a request came to nothing.
function Stop-Refused($What, $Answer) {
    if ($Answer.Status -eq 0) {
        throw "$What failed, because there was no answer from $(Get-Setting 'Octopus.Web.ServerUri'): $($Answer.Text)"
    }
    $reason = ''
    try {
        $document = ConvertFrom-Json $Answer.Text
        $reason = (@($document.ErrorMessage) + @($document.Errors) | Where-Object { $_ }) -join ' '
    }
    catch { $reason = '' } # a proxy's page: the status has to do
    if ($reason) { $reason = ": $reason" }
    throw "$What failed: Octopus answered with status $($Answer.Status)$reason"
}

# The item of that name in a list; Octopus takes no notice of capitals, nor does -eq.
function Find-Named($List, $Name) {
    return $List | Where-Object { $_.Name -eq $Name } | Select-Object -First 1
}
